// Owns: a connection to a nats-server of its own, for the tests of one file.
import { afterAll, beforeAll } from 'vitest';
import { connectNats, type NatsBus } from '../../adapters/nats/bus.ts';
import { isSignalboxError } from '../../api/errors.ts';
import { startNats, type TestNats } from './nats.ts';

export interface OneBus {
  readonly nats: TestNats;
  readonly control: NatsBus;
}

/** Starts both before the tests of a file and stops them after them. */
export function oneBus(): OneBus {
  let there: OneBus | undefined;
  const started = (): OneBus => {
    if (there === undefined) throw new Error('the bus is there in tests only');
    return there;
  };
  beforeAll(async () => {
    const nats = await startNats();
    const options = { url: nats.url, ...nats.control, name: 'test-control', account: 'CONTROL' };
    there = { nats, control: await connectNats(options) };
  });
  afterAll(async () => {
    await there?.control.close();
    await there?.nats.stop();
  });
  return {
    get nats() {
      return started().nats;
    },
    get control() {
      return started().control;
    },
  };
}

/** How it fails: the code of our errors, other errors as text; else `resolved`. */
export const codeOf = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'resolved',
    (error: unknown) => (isSignalboxError(error) ? error.code : String(error)),
  );
