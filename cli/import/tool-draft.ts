// Owns: what an importer found out about one tool, before a person has said what it does to the world.
import type { JsonObject } from '../../api/messages/history.ts';

export interface ToolDraft {
  /** What the server calls it. */
  readonly original: string;
  readonly description: string;
  readonly http?: { readonly url: string; readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' };
  readonly mcp?: { readonly url: string; readonly tool: string };
  readonly input: JsonObject;
  readonly output?: JsonObject;
  /** What the server says about effects: shown to the person, never believed. */
  readonly hint: string;
}

export interface Imported {
  readonly tools: readonly ToolDraft[];
  /** What could not be imported, and why. */
  readonly skipped: readonly { readonly what: string; readonly why: string }[];
}
