// Owns: settings from the environment: each is named in the message that says what is wrong with it.
import { type Durability, durabilities } from '../ports/journal.ts';
import { join } from 'node:path';
import { SignalboxError } from '../api/errors.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export function required(environment: Environment, name: string): string {
  const value = environment[name];
  if (value !== undefined && value !== '') return value;
  throw new SignalboxError('CONFIG_INVALID', `${name} is not set; the pod's manifest sets it`);
}

export function integer(environment: Environment, name: string, fallback: number): number {
  const text = environment[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0) return value;
  throw new SignalboxError('CONFIG_INVALID', `${name} is "${text}"; allowed is a whole number of at least 0`);
}

/** A path of the container, below SIGNALBOX_ROOT where pods run as plain processes. */
export const containerPath = (environment: Environment, path: string): string =>
  join(environment['SIGNALBOX_ROOT'] || '/', path);

/** `SIGNALBOX_DURABILITY`: `disk` unless the operator of the system has chosen otherwise. */
export function durability(environment: Environment): Durability {
  const found = environment['SIGNALBOX_DURABILITY'] || 'disk';
  const known = durabilities.find((one) => one === found);
  if (known !== undefined) return known;
  throw new SignalboxError(
    'CONFIG_INVALID',
    `SIGNALBOX_DURABILITY is "${found}"; allowed are ${durabilities.join(' and ')}`,
  );
}
