// Owns: the end of a process: on SIGTERM or SIGINT it finishes what it must, then exits; a second signal exits at once.
import type { Log } from '../ports/system.ts';

/** Runs `stop` once, with exit code 0 after it, 1 when it fails. */
export function onTermination(log: Log, stop: () => Promise<void>): void {
  let stopping = false;
  const end = (signal: NodeJS.Signals): void => {
    if (stopping) process.exit(1);
    stopping = true;
    log.info('stopping', { signal });
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error('stopping failed', { error });
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
}
