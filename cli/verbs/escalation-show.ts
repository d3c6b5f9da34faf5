import { Command } from 'commander';
import type { Host } from '../host.ts';
import { findEscalation, stateOf } from '../kube/escalations.ts';
import { withSession } from '../kube/session.ts';
import { type ClusterOptions, type OutputOptions, withCluster, withExamples, withOutput } from '../options.ts';
import { documentText, isDocument } from '../output/document.ts';
import { escalationText } from '../output/escalation.ts';

interface Options extends ClusterOptions, OutputOptions {}

export function escalationVerb(host: Host): Command {
  const show = new Command('show')
    .summary('all that is needed to decide')
    .description('Shows the question, the evidence, and exactly what would be done on approval.')
    .argument('<escalation>', 'name of the Escalation, or id of the run that waits for it');
  withCluster(withOutput(show, ['table', 'json', 'yaml', 'name']));
  withExamples(show, {
    line: 'signalbox escalation show 7dkq3vxw1plm9rtyzb2cnf-1 -n clinic',
    says: 'what is asked, and what would be done',
  });
  show.action((name: string, options: Options) => showEscalation(host, name, options));
  const group = new Command('escalation')
    .summary('show one escalation')
    .description('Shows one escalation. `signalbox escalations` lists them, `signalbox decide` answers one.')
    .addCommand(show);
  return withExamples(group, {
    line: 'signalbox escalation show 7dkq3vxw1plm9rtyzb2cnf-1 -n clinic',
    says: 'before you decide',
  });
}

async function showEscalation(host: Host, name: string, options: Options): Promise<void> {
  const { screen } = host;
  await withSession(host, options, async ({ kube, namespace, again }) => {
    const escalation = await findEscalation(kube, namespace, name);
    if (isDocument(options.output)) {
      screen.raw(await documentText(escalation, options.output));
      return;
    }
    if (options.output === 'name') {
      screen.print(escalation.metadata.name);
      return;
    }
    screen.print(escalationText(escalation, host.clock.now(), screen));
    const own = escalation.metadata.name;
    if (stateOf(escalation) === 'Open') {
      screen.note(`next: signalbox decide ${own} approve${again} --reason "…"`);
      screen.note(`      signalbox decide ${own} reject${again} --reason "…"`);
    } else screen.note(`next: signalbox trace ${escalation.spec.run}${again}`);
  });
}
