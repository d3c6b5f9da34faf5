// Owns: the tools of the sweep as one real server, and the log of what they truly did.
import { type FaultServer, startFaultServer } from '../support/fault-server.ts';
import { effectOf, effectTools } from './content.ts';
import type { Acted } from './recording.ts';

export interface Sink {
  readonly url: string;
  /** How often the tool acted for the run. */
  acted(tool: string, run: string): number;
  stop(): Promise<void>;
}

/** `onActed` hears of each effect at the moment it happens. */
export async function startSink(onActed: (acted: Acted) => void): Promise<Sink> {
  const server = await startFaultServer();
  const acted = (tool: string, run: string): number => server.effects.get(`${tool}/${run}`) ?? 0;
  server.on('/look', (_call, answer) => answer.json(200, { found: 1 }));
  server.on('/paid', ({ body }, answer) => {
    if (acted('pay-query', runOf(body)) > 0) answer.json(200, { paid: true });
    else answer.json(404, {});
  });
  const keys = new Set<string>();
  for (const tool of effectTools) onEffect(server, { tool, keys, onActed });
  return { url: server.url, acted, stop: () => server.stop() };
}

interface Effectful {
  readonly tool: (typeof effectTools)[number];
  /** Idempotency keys that it has acted on. */
  readonly keys: Set<string>;
  readonly onActed: (acted: Acted) => void;
}

/** Only `pay-key` recognises a repeat; the others act as often as they are called. */
function onEffect(server: FaultServer, { tool, keys, onActed }: Effectful): void {
  server.on(`/${tool}`, ({ headers, body }, answer) => {
    const key = String(headers['idempotency-key'] ?? '');
    const args = JSON.parse(body) as Acted['args'] & { readonly run: string; readonly state: string };
    if (tool !== 'pay-key' || !keys.has(key)) {
      answer.effect(`${tool}/${args.run}`);
      // No state of the sweep is entered twice.
      onActed({ at: Date.now(), run: args.run, activity: `${args.state}.1`, tool, effect: effectOf[tool], args });
    }
    keys.add(key);
    answer.json(200, { done: true });
  });
}

const runOf = (body: string): string => (JSON.parse(body) as { readonly run: string }).run;
