// Owns: how the ConfigMap `signalbox-journal-witness` is written: per partition `p0`, `p0.lost` and `p0.accepted`, each JSON.
import { SignalboxError } from '../../api/errors.ts';
import type { Witness } from './witness.ts';

export const witnessMapName = 'signalbox-journal-witness';

/** A loss that was found and is not accepted. */
export interface Loss {
  /** Last record of the journal as it is. */
  readonly ends: number;
  /** Last record that is known to have been committed. */
  readonly committed: number;
}

/** A person's word that a loss is to be lived with: of exactly this one. */
export interface Acceptance extends Loss {
  readonly id: string;
  readonly reason: string;
  readonly by: string;
}

/** Of one partition, in Kubernetes. */
export interface Kept {
  readonly witness?: Witness;
  readonly lost?: Loss;
  readonly accepted?: Acceptance;
}

type Entries = Readonly<Record<string, string>>;

export const witnessMapKeys = (partition: number) =>
  ({ witness: `p${partition}`, lost: `p${partition}.lost`, accepted: `p${partition}.accepted` }) as const;

/** @throws SignalboxError CONFIG_INVALID when somebody has written what cannot be read: it is not overwritten. */
export function readKept(entries: Entries, partition: number): Kept {
  const keys = witnessMapKeys(partition);
  const witness = read(entries, keys.witness, { seq: 'number', digest: 'string' });
  const lost = read(entries, keys.lost, { ends: 'number', committed: 'number' });
  const words = { id: 'string', reason: 'string', by: 'string' } as const;
  const accepted = read(entries, keys.accepted, { ends: 'number', committed: 'number', ...words });
  return {
    ...(witness === undefined ? {} : { witness: witness as unknown as Witness }),
    ...(lost === undefined ? {} : { lost: lost as unknown as Loss }),
    ...(accepted === undefined ? {} : { accepted: accepted as unknown as Acceptance }),
  };
}

function read(
  entries: Entries,
  key: string,
  shape: Readonly<Record<string, 'number' | 'string'>>,
): Readonly<Record<string, unknown>> | undefined {
  const text = entries[key];
  if (text === undefined) return undefined;
  const value = parsed(text);
  const wrong = Object.entries(shape).find(
    ([name, type]) => typeof value[name] !== type || (type === 'number' && !isSequence(value[name])),
  );
  if (wrong === undefined) return value;
  throw new SignalboxError(
    'CONFIG_INVALID',
    `ConfigMap ${witnessMapName}, ${key}: ${wrong[0]} must be a ${wrong[1]}, found ${JSON.stringify(text.slice(0, 100))}`,
  );
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

const isSequence = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
