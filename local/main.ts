// The supervising process of one instance: started by `up` with its settings as the only argument.
import { SignalboxError, isSignalboxError } from '../api/errors.ts';
import { connectKube } from '../adapters/kube/kube.ts';
import { createInformers } from '../adapters/kube/reflector.ts';
import { systemClock } from '../adapters/system/clock.ts';
import { jsonLog } from '../adapters/system/log.ts';
import type { SupervisorMessage, SupervisorSettings } from './lifecycle/settings.ts';
import { Supervisor } from './lifecycle/supervisor.ts';

const settings = JSON.parse(process.argv[2] ?? '{}') as SupervisorSettings;
const log = jsonLog({ name: 'local-plane' });
let ready = false;

function say(message: SupervisorMessage): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

const supervisor = new Supervisor(
  settings,
  {
    log,
    connect: ({ server, token, caPem }) => {
      const kube = connectKube({
        access: { server, ca: caPem, namespace: 'default', credentials: () => Promise.resolve({ token }) },
        component: 'local-plane',
        log,
      });
      return { kube, close: () => kube.close() };
    },
    informers: (kube) => createInformers({ kube, clock: systemClock(), log }),
  },
  (line) => {
    log.info(line);
    say({ progress: line });
  },
);

function stop(reason: string): void {
  log.info('stopping', { reason });
  void supervisor.stop().then(() => process.exit(0));
}
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => stop(signal));
process.on('disconnect', () => {
  if (settings.foreground || !ready) stop('the process that started this one is gone');
});

try {
  await supervisor.start();
  ready = true;
  say({ ready: true });
} catch (error) {
  const { code, message } = isSignalboxError(error)
    ? error
    : new SignalboxError('PLANE_FAILED', error instanceof Error ? error.message : String(error));
  log.error('the start failed', { code, error });
  say({ failure: { code, message } });
  process.exitCode = 1;
  process.disconnect?.();
}
