// Owns: a person who answers an escalation with credentials of their own: a service account bound to the approver role.
import type { DecisionOption, EscalationSpec } from '../../api/v1alpha1/escalation.ts';
import type { KubeObject } from '../../ports/kube.ts';
import { apiVersionOf, DECISION, ESCALATION, SERVICE_ACCOUNT } from '../../ports/resources.ts';
import type { OpenKube } from '../host.ts';
import { eventually, namespace, type Stage } from './stage.ts';

interface EscalationObject extends KubeObject {
  readonly spec: EscalationSpec;
  readonly status?: { readonly state?: string; readonly queue?: string };
}
interface DecisionObject extends KubeObject {
  readonly status?: { readonly state?: string; readonly message?: string };
}

export interface Answer {
  /** Service account. */
  readonly who: string;
  readonly run: string;
  readonly option: DecisionOption;
  readonly reason: string;
}

const withinMs = 60_000;

/** The open question of a run, once the operator has made its object. */
export async function openEscalation(stage: Stage, kube: OpenKube, run: string): Promise<EscalationObject> {
  return eventually(stage, { expected: `an open Escalation of run ${run}`, withinMs, run }, async () => {
    const { items } = await kube.list<EscalationObject>(ESCALATION, { namespace });
    return items.find((item) => item.spec.run === run && (item.status?.state ?? 'Open') === 'Open');
  });
}

/** Waits for the question, answers it as `who`, and waits until the answer was accepted. */
export async function answer(stage: Stage, { who, run, option, reason }: Answer): Promise<EscalationSpec> {
  const kube = await connectAs(stage, who);
  try {
    const { metadata, spec, status } = await openEscalation(stage, kube, run);
    const name = `${metadata.name}-by-${who}`.slice(0, 63);
    const decision: KubeObject = {
      apiVersion: apiVersionOf(DECISION),
      kind: DECISION.kind,
      metadata: { name, namespace },
      spec: {
        escalationRef: { name: metadata.name },
        queue: status?.queue ?? spec.queue,
        option,
        reason,
        digest: spec.digest,
        decidedBy: `system:serviceaccount:${namespace}:${who}`,
      },
    };
    await eventually(stage, { expected: `the Decision of ${who} to be created`, withinMs, run }, async () => {
      const made = await kube.get(DECISION, { namespace, name });
      return made ?? kube.create(DECISION, decision);
    });
    await eventually(stage, { expected: `the Decision of ${who} to be accepted`, withinMs, run }, async () => {
      const made = await kube.get<DecisionObject>(DECISION, { namespace, name });
      const { state, message = 'no reason was given' } = made?.status ?? {};
      if (state === 'Refused') throw new Error(`the Decision was refused: ${message}`);
      return state;
    });
    return spec;
  } finally {
    await kube.close();
  }
}

async function connectAs(stage: Stage, who: string): Promise<OpenKube> {
  const token = await tokenOf(stage, who);
  const access = { ...stage.access, credentials: () => Promise.resolve({ token }) };
  return stage.host.connect(access, 10_000);
}

/** A token of the service account, asked for with TokenRequest. */
export async function tokenOf(stage: Stage, who: string): Promise<string> {
  const body = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { expirationSeconds: 600 },
  };
  return eventually(stage, { expected: `a token for ${who}`, withinMs }, async () => {
    const key = { namespace, name: who };
    const made = await stage.kube.post<{ status?: { token?: string } }>(SERVICE_ACCOUNT, key, 'token', body);
    return made.status?.token;
  });
}
