// Owns: the sentences about children, about the way to the end, and about what people do to a run as a whole.
import { money } from '../output/quantity.ts';
import { say, type Tellers } from './telling.ts';
import { quoted } from './words.ts';

export const familyTellers: Tellers<'ChildAsked' | 'ChildClosed' | 'ChildrenJoined'> = {
  ChildAsked: (event, { show }) =>
    say(
      'plain',
      `${event.child} to be run ${event.run}: ${event.start === undefined ? `workflow ${event.workflow}` : `from state ${event.start}`}`,
      event.start === undefined ? `input ${show(event.input)}` : undefined,
      event.budgetMicros === undefined ? undefined : `may spend ${money(event.budgetMicros)}`,
    ),
  ChildClosed: (event, { show }) =>
    say(
      event.outcome === 'success' ? 'good' : 'bad',
      `${event.child} (run ${event.run}) ended: ${event.outcome}, ${money(event.costMicros)}`,
      event.message,
      `result ${show(event.result)}`,
    ),
  ChildrenJoined: (event) =>
    say(
      event.exit === 'done' ? 'good' : 'bad',
      `${event.state}, visit ${event.visit}: settled with ${event.exit}; what is still open is cancelled`,
    ),
};

export const endingTellers: Tellers<
  'CompensationOwed' | 'RunEnding' | 'CompensationStarted' | 'CompensationCompleted' | 'CompensationAbandoned'
> = {
  CompensationOwed: (event) =>
    say(
      'plain',
      `${event.activity} would be undone by ${event.state}`,
      event.completed ? undefined : 'it was cut off after a call that may have had an effect',
    ),
  RunEnding: (event) =>
    say(
      event.outcome === 'success' ? 'good' : 'bad',
      `will end: ${event.outcome}${event.compensate ? ', once what was done is undone' : ', once its children have ended'}`,
      event.message,
    ),
  CompensationStarted: (event) => say('move', `undoes ${event.of}: state ${event.state}, visit ${event.visit}`),
  CompensationCompleted: (event) => say('good', `${event.of} is undone`),
  CompensationAbandoned: (event, { whole }) =>
    say('bad', `${event.of} stays as it is, given up by ${event.by}: ${quoted(event.reason, whole)}`),
};

export const pauseTellers: Tellers<'RunFrozen' | 'RunResumed' | 'ReadOnlyChanged' | 'HistoryContinued'> = {
  RunFrozen: (event, { whole }) => say('ask', `frozen by ${event.by}: ${quoted(event.reason, whole)}`),
  RunResumed: (event, { whole }) => say('good', `resumed by ${event.by}: ${quoted(event.reason, whole)}`),
  ReadOnlyChanged: (event, { whole }) =>
    say(
      event.readOnly ? 'ask' : 'good',
      `${event.readOnly ? 'read-only from here on' : 'may act again'}, by ${event.by}: ${quoted(event.reason, whole)}`,
    ),
  HistoryContinued: (event) => say('plain', `the history goes on from here, before state ${event.state}`),
};
