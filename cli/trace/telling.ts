// Owns: what a sentence about an event is made of.
import type { EventOf, HistoryEventType } from '../../api/messages/history.ts';
import type { Show } from './words.ts';

export type Mark = 'plain' | 'move' | 'good' | 'bad' | 'ask';

export interface Words {
  readonly mark: Mark;
  readonly title: string;
  /** Paragraphs below the title. */
  readonly details: readonly string[];
}

export interface Telling {
  readonly whole: boolean;
  readonly show: Show;
  /** When the event happened. */
  readonly at: number;
}

export type Tellers<Type extends HistoryEventType> = {
  readonly [T in Type]: (event: EventOf<T>, telling: Telling) => Words;
};

export const say = (mark: Mark, title: string, ...details: readonly (string | undefined)[]): Words => ({
  mark,
  title,
  details: details.filter((line): line is string => line !== undefined && line !== ''),
});
