// Owns: when checkpoints are made and how long closed runs are known, from the environment.
import { type Environment, integer } from '../settings.ts';
import { storageDefault, type StorageSettings } from './ports.ts';

export function storageOf(env: Environment): StorageSettings {
  const { checkpoint, closedMs, closedMax } = storageDefault;
  const seconds = integer(env, 'SIGNALBOX_CHECKPOINT_SECONDS', checkpoint.ms / 1_000);
  const hours = integer(env, 'SIGNALBOX_CLOSED_HOURS', closedMs / 3_600_000);
  return {
    checkpoint: {
      records: integer(env, 'SIGNALBOX_CHECKPOINT_RECORDS', checkpoint.records),
      bytes: integer(env, 'SIGNALBOX_CHECKPOINT_BYTES', checkpoint.bytes),
      ms: seconds * 1_000,
      fullness: checkpoint.fullness,
    },
    closedMs: hours * 3_600_000,
    closedMax: integer(env, 'SIGNALBOX_CLOSED_MAX', closedMax),
  };
}
