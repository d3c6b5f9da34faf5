// Owns: one replica of the Widget operator as a process of its own, so that a test can stop it in the middle of anything.
// Arguments: kubeconfig, instance, lease name. Prints one line per write and one at each change of its state.
import { connectKube } from '../../adapters/kube/kube.ts';
import { kubeconfigConfig } from '../../adapters/kube/kubeconfig.ts';
import { jsonLog } from '../../adapters/system/log.ts';
import { shutdownSignal } from '../../operator/controller/manager.ts';
import { startWidgetManager } from './widget.ts';

const [kubeconfig, instance = '', lease = ''] = process.argv.slice(2);
const say = (line: string): boolean => process.stdout.write(`${line}\n`);
const log = jsonLog({ name: instance, level: 'silent' });
const kube = connectKube({ access: await kubeconfigConfig(kubeconfig), component: 'replica' });
const running = startWidgetManager({
  kube,
  log,
  instance,
  lease: { name: lease, times: { leaseMs: 3_000, renewMs: 2_000, retryMs: 400 } },
});
const push = running.writes.push.bind(running.writes);
running.writes.push = (...items) => {
  for (const item of items) say(`write ${item}`);
  return push(...items);
};
const stop = shutdownSignal(log);
stop.addEventListener('abort', () => void running.stop());
say('started');
const ended = await running.ended;
say(`ended ${ended}`);
process.exit(ended === 'lost' ? 1 : 0);
