// Owns: when checkpoints are made, how long closed runs are known, and what a namespace may have, from the environment.
import type { TenantBounds } from '../../core/tenant/bounds.ts';
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

/** 0, the default: no bound but the room of the journal. */
export function tenantsOf(env: Environment): TenantBounds {
  const openRuns = integer(env, 'SIGNALBOX_NAMESPACE_OPEN_RUNS', 0);
  const startsPerMinute = integer(env, 'SIGNALBOX_NAMESPACE_STARTS_PER_MINUTE', 0);
  return { ...(openRuns === 0 ? {} : { openRuns }), ...(startsPerMinute === 0 ? {} : { startsPerMinute }) };
}
