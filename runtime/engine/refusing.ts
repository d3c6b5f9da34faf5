// Owns: what is answered for a partition whose journal is not trusted or cannot be written: why, to everybody, and never "no such run".
import type { SignalboxError } from '../../api/errors.ts';
import { engineAsks, engineRequests } from '../../api/messages/subjects.ts';
import type { Subscription } from '../../ports/bus.ts';
import type { EnginePorts } from './ports.ts';

const parallelMax = 64;

export function serveRefusals(
  { control, work }: Pick<EnginePorts, 'control' | 'work'>,
  partition: number,
  { code, message }: SignalboxError,
): readonly Subscription[] {
  const refuse = (): Promise<unknown> => Promise.resolve({ ok: false, code, message });
  return [
    control.serve(engineRequests(partition), refuse, { maxParallel: parallelMax }),
    work.serve(engineAsks(partition), () => Promise.resolve({ kind: 'Error', code, message }), {
      maxParallel: parallelMax,
    }),
  ];
}
