import { Command } from 'commander';
import type { AgentSpec, AgentStatus } from '../../api/v1alpha1/agent.ts';
import type { EscalationPolicySpec, EscalationPolicyStatus } from '../../api/v1alpha1/escalation-policy.ts';
import type { WorkflowSpec } from '../../api/v1alpha1/workflow.ts';
import type { KubeObject } from '../../ports/kube.ts';
import { AGENT, ESCALATION_POLICY, WORKFLOW } from '../../ports/resources.ts';
import { VerbError } from '../failure.ts';
import type { Host } from '../host.ts';
import { type Session, withSession } from '../kube/session.ts';
import { type ClusterOptions, type OutputOptions, withCluster, withExamples, withOutput } from '../options.ts';
import { documentText, isDocument } from '../output/document.ts';
import { oneLine } from '../output/style.ts';
import { wrap } from '../output/width.ts';
import { explanation, type Explained } from '../output/explanation.ts';

interface Options extends ClusterOptions, OutputOptions {}

interface AgentObject extends KubeObject {
  readonly spec: AgentSpec;
  readonly status?: AgentStatus;
}
interface PolicyObject extends KubeObject {
  readonly spec: EscalationPolicySpec;
  readonly status?: EscalationPolicyStatus;
}
interface WorkflowObject extends KubeObject {
  readonly spec: WorkflowSpec;
}

export function explainVerb(host: Host): Command {
  const command = new Command('explain')
    .summary('what makes an agent stop and ask, in a sentence')
    .description(
      'Says in one sentence what an agent may do on its own, what it asks for, and what makes it stop and ask a person: ' +
        'from its permissions and from the escalation policies of the agent and of the workflows that use it.',
    )
    .argument('<agent>', 'name of the Agent');
  withCluster(withOutput(command, ['table', 'json', 'yaml']));
  withExamples(command, { line: 'signalbox explain billing -n clinic', says: 'when does billing call a person' });
  return command.action((name: string, options: Options) => explain(host, name, options));
}

async function explain(host: Host, name: string, options: Options): Promise<void> {
  const { screen } = host;
  await withSession(host, options, async (session) => {
    const explained = await gather(session, name.replace(/^agents?\//, ''));
    if (isDocument(options.output)) {
      screen.raw(await documentText(explained, options.output));
      return;
    }
    screen.print(wrap(oneLine(explanation(explained)), screen.columns).join('\n'));
    screen.note(`next: kubectl get agent ${explained.agent} -n ${session.namespace} -o yaml`);
  });
}

async function gather({ kube, namespace }: Session, name: string): Promise<Explained> {
  const agent = await kube.get<AgentObject>(AGENT, { namespace, name });
  if (agent === undefined) {
    throw new VerbError('NOT_FOUND', `no agent is called "${name}" in namespace ${namespace}`, {
      attempt: `kubectl get agents -n ${namespace}`,
    });
  }
  const { items: workflows } = await kube.list<WorkflowObject>(WORKFLOW, { namespace });
  const using = workflows.filter((workflow) =>
    Object.values(workflow.spec.states).some((state) => state.agent === name || state.backup === name),
  );
  const refs = new Set(
    [agent.spec.escalationPolicyRef, ...using.map((workflow) => workflow.spec.escalationPolicyRef)].flatMap((ref) =>
      ref === undefined ? [] : [ref.name],
    ),
  );
  const policies = await Promise.all(
    [...refs].map((policy) => kube.get<PolicyObject>(ESCALATION_POLICY, { namespace, name: policy })),
  );
  return {
    agent: name,
    role: agent.spec.role,
    permissions: agent.spec.permissions,
    ...(agent.status?.summary === undefined ? {} : { summary: agent.status.summary }),
    policies: policies
      .filter((policy) => policy !== undefined)
      .map((policy) => ({
        name: policy.metadata.name,
        summary: policy.status?.summary ?? '',
        workflows: using
          .filter((workflow) => workflow.spec.escalationPolicyRef?.name === policy.metadata.name)
          .map((workflow) => workflow.metadata.name),
      })),
  };
}
