// Owns: following the runs of one trial to their end: people answer, what is to arrive arrives, children and those that take over
// are followed, too.
import type { EngineReply } from '../../api/messages/asks.ts';
import type { EscalationFacts, HistoryEvent, JsonObject, RunSummary } from '../../api/messages/history.ts';
import { eventSubject, type EngineVerb } from '../../api/messages/subjects.ts';
import type { Scenario } from '../../api/v1alpha1/scenario.ts';
import { isLeft, personFor, type SeenRun } from '../../core/evaluation/people.ts';
import type { PlayedRun, TrialEnd } from '../../core/evaluation/record.ts';
import type { Bus } from '../../ports/bus.ts';
import type { Clock } from '../../ports/system.ts';
import type { HistoryPage } from '../engine/control.ts';
import { resultOf } from '../engine/forward.ts';

export interface Following {
  readonly namespace: string;
  readonly scenario: Scenario;
  readonly clock: Clock;
  readonly work: Bus;
  readonly ask: <T>(run: string, verb: EngineVerb, payload: unknown) => Promise<EngineReply<T>>;
  /** The trial says nothing any more: it is not played on. */
  readonly broken: () => boolean;
}

const lookMs = 10;
/** A run that seems to be left is looked at so often: it may be about to move. */
const looks = 3;

export class Follower {
  readonly #given: Following;
  readonly #runs = new Map<string, SeenRun & { readonly workflow: string }>();
  readonly #answered = new Map<number, number>();
  readonly #decided = new Set<string>();
  readonly #arrived = new Set<number>();

  constructor(given: Following, first: RunSummary) {
    this.#given = given;
    this.#see(first);
  }

  async toEnd(untilMs: number): Promise<TrialEnd> {
    const { clock, broken } = this.#given;
    let left = 0;
    for (;;) {
      for (const { run, closed } of this.#runs.values()) if (!closed) await this.#look(run);
      const runs = [...this.#runs.values()];
      if (runs.every(({ closed }) => closed)) return 'closed';
      left = isLeft(runs) ? left + 1 : 0;
      if (left >= looks) return 'waiting';
      if (broken() || clock.now() > untilMs) return 'stalled';
      await clock.sleep(lookMs);
    }
  }

  async histories(): Promise<readonly PlayedRun[]> {
    const played: PlayedRun[] = [];
    for (const { run, workflow } of this.#runs.values())
      if (workflow !== '') played.push({ run, workflow, events: await this.#events(run) });
    return played;
  }

  async #events(run: string): Promise<readonly HistoryEvent[]> {
    const events: HistoryEvent[] = [];
    for (let after: number | undefined = 0; after !== undefined;) {
      const page: HistoryPage = resultOf(await this.#given.ask<HistoryPage>(run, 'history', { run, after }));
      events.push(...page.events);
      after = page.next;
    }
    return events;
  }

  /** What was left open goes on to no end. */
  async cancel(): Promise<void> {
    const { ask, namespace } = this.#given;
    const open = [...this.#runs.values()].filter(({ closed }) => !closed);
    const why = { namespace, by: 'scenario', reason: 'the trial is over' };
    await Promise.all(open.map(({ run }) => ask(run, 'cancel', { run, ...why })));
  }

  async #look(run: string): Promise<void> {
    const { ask } = this.#given;
    const summary = resultOf(await ask<RunSummary>(run, 'show', { run }));
    this.#see(summary);
    for (const child of summary.children ?? []) await this.#meet(child.run);
    if (summary.fallbackRun !== undefined) await this.#meet(summary.fallbackRun);
    if (summary.escalation !== undefined) await this.#question(summary);
    else await this.#arrive(summary);
  }

  /** Another run, once it is there. */
  async #meet(run: string): Promise<void> {
    if (this.#runs.has(run)) return;
    const reply = await this.#given.ask<RunSummary>(run, 'show', { run });
    if (reply.ok) this.#see(reply.result);
    // Somebody has asked for it: until it is there nothing is over.
    else this.#runs.set(run, { run, workflow: '', closed: false, unanswered: false, openChildren: [] });
  }

  #see({ run, workflow, status, children = [] }: RunSummary): void {
    const openChildren = children.filter(({ outcome }) => outcome === undefined).map((child) => child.run);
    this.#runs.set(run, { run, workflow, closed: status === 'Closed', unanswered: false, openChildren });
  }

  async #question({ run, escalation = '' }: RunSummary): Promise<void> {
    const { scenario, namespace, ask } = this.#given;
    if (this.#decided.has(escalation)) return;
    const facts = await this.#factsOf(run, escalation);
    const chosen = facts === undefined ? undefined : personFor(scenario.people ?? [], facts, this.#answered);
    const person = chosen === undefined ? undefined : scenario.people?.[chosen];
    if (facts === undefined || chosen === undefined || person === undefined) {
      const seen = this.#runs.get(run);
      if (seen !== undefined) this.#runs.set(run, { ...seen, unanswered: facts !== undefined });
      return;
    }
    const answer = { option: person.decide, by: 'a-person', reason: person.reason ?? 'as the scenario says' };
    const { queue, digest } = facts;
    const asked = { namespace, run, escalation, queue, digest, decision: `scenario-${escalation}`, ...answer };
    resultOf(await ask(run, 'decide', asked));
    this.#decided.add(escalation);
    this.#answered.set(chosen, (this.#answered.get(chosen) ?? 0) + 1);
  }

  async #factsOf(run: string, escalation: string): Promise<EscalationFacts | undefined> {
    const opened = (await this.#events(run)).findLast(
      (event) => event.type === 'EscalationOpened' && event.escalation.id === escalation,
    );
    return opened?.type === 'EscalationOpened' ? opened.escalation : undefined;
  }

  async #arrive({ run, state, workflow }: RunSummary): Promise<void> {
    const { scenario, namespace, ask, work } = this.#given;
    for (const [index, arrival] of (scenario.arrivals ?? []).entries()) {
      if (this.#arrived.has(index) || arrival.state !== state || workflow !== scenario.workflow) continue;
      this.#arrived.add(index);
      const id = `arrival-${index}`;
      const payload = (arrival.payload ?? {}) as JsonObject;
      const { signal, event = '', key = '' } = arrival;
      if (signal === undefined)
        await work.publish(eventSubject(namespace, event), { id, key, payload, namespace, subject: event });
      else resultOf(await ask(run, 'signal', { namespace, run, signal, id, payload, by: 'scenario' }));
    }
  }
}
