// Owns: `make soak`: runs of every kind while every process is killed at random. In rounds: load with kills, then everything
// heals and ends, and what was recorded is checked.
import { addCoverage, noCoverage, vacuous } from '../../core/invariants/vacuity.ts';
import { brokenOff, messageOf, sentenceOf } from '../crash/lanes.ts';
import { type ScenarioName, scenarios } from '../crash/scenarios.ts';
import { judge } from '../crash/verdict.ts';
import { type Chance, chanceOf } from './chance.ts';
import { planeVictims, soakPlane } from './plane.ts';
import { SoakStage, victims } from './stage.ts';

const minutes = Number(process.env['MINUTES'] ?? 30);
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const inFlight = Number(process.env['LOAD'] ?? 12);
/** A round is short, so that what was recorded is looked at while it is there. */
const ROUND_MS = 90_000;
const PROGRESS_MS = 30_000;
/** Between two runs of one loader, at most: the machine shall be busy, not full. */
const PAUSE_MS = 1_000;
const kinds = Object.keys(scenarios) as readonly ScenarioName[];

/** What a soak of minutes must have brought about, or it proves little. */
const wantedEvents = [
  'RunStarted ActivityScheduled TurnProposed TurnCompleted ActivityCompleted ActivityFailed WaitElapsed RunEnding RunClosed',
  'BusEventReceived SignalReceived SignalTaken EscalationOpened EscalationDecided ApprovalConsumed CancelRequested',
  'ChildAsked ChildClosed ChildrenJoined CompensationOwed CompensationCompleted RunFrozen RunResumed ReadOnlyChanged',
].flatMap((line) => line.split(' '));
/** Shorter than this a soak may miss something by chance. */
const wholeMinutes = 10;

const total = {
  minutes,
  seed,
  rounds: 0,
  runs: 0,
  operations: 0,
  effects: 0,
  kills: 0,
  recoveries: 0,
  /** Times a checkpoint took records away before they were read here. */
  gaps: 0,
  duplicates: 0,
  ambiguous: 0,
  lostRuns: 0,
  violations: 0,
  /** The longest time that an engine had to be asked until one answered. */
  longestAskMs: 0,
};
const byKind = new Map<string, number>();
const byFault = new Map<string, number>();
const coverage = noCoverage();
let open = 0;

function wrong(sentence: string): void {
  total.violations += 1;
  process.stdout.write(`FAIL ${sentence}\n`);
}

/** One run of some kind after the other, until the time is over. */
async function load(stage: SoakStage, chance: Chance, until: number): Promise<void> {
  while (Date.now() < until) {
    const kind = chance.pick(kinds);
    const run = `Soak${(total.runs += 1)}`;
    count(byKind, kind);
    open += 1;
    await play(stage, kind, run);
    open -= 1;
    await new Promise((resolve) => setTimeout(resolve, chance.between(0, PAUSE_MS)));
  }
}

async function play(stage: SoakStage, kind: ScenarioName, run: string): Promise<void> {
  try {
    await scenarios[kind].begin(stage, run);
    for (const ending of await scenarios[kind].finish(stage, run)) {
      const verdict = await judge(stage, ending);
      total.duplicates += verdict.duplicates;
      total.ambiguous += verdict.ambiguous;
      for (const sentence of verdict.wrong) wrong(`${kind}: ${sentence}`);
    }
  } catch (error) {
    const broken = brokenOff(error);
    total.lostRuns += broken.lostRuns;
    for (const sentence of broken.wrong) wrong(`${kind} ${run}: ${sentence}`);
  }
}

const count = (counts: Map<string, number>, name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1);

async function disturb(stage: SoakStage, chance: Chance, until: number): Promise<void> {
  while (Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, chance.between(500, 5_000)));
    const victim = chance.pick(victims);
    const paused = victim.startsWith('engine') && chance.between(0, 1) < 0.25;
    const fault = `${paused ? 'pause' : 'kill'} ${victim}`;
    count(byFault, fault);
    total.kills += 1;
    try {
      if (paused && victim !== 'nats-server') await stage.pause(victim);
      else await stage.kill(victim, chance.between(0, 2_000));
    } catch (error) {
      wrong(`${victim} did not come back: ${messageOf(error)}`);
    }
  }
}

async function round(stage: SoakStage, chance: Chance, until: number): Promise<void> {
  const end = Math.min(until, Date.now() + ROUND_MS);
  const loads = Array.from({ length: inFlight }, () => load(stage, chance, end));
  await Promise.all([...loads, disturb(stage, chance, end)]);
  for (const violation of await stage.recording.collect(stage.runs.control)) wrong(sentenceOf(violation));
  total.rounds += 1;
}

function progress(): void {
  const list = (counts: ReadonlyMap<string, number>): string =>
    [...counts].map(([name, count]) => `${name} ${count}`).join(', ');
  process.stdout.write(
    `${total.runs} runs (${open} under way), ${total.violations} wrong; ${list(byFault)}; ${list(byKind)}\n`,
  );
}

const chance = chanceOf(seed);
process.stdout.write(`soak of ${minutes} minutes with seed ${seed} (SEED=${seed} chooses the same again)\n`);
const stage = await SoakStage.start();
const unfollow = stage.recording.follow(stage.runs.control);
const telling = setInterval(progress, PROGRESS_MS);
const until = Date.now() + minutes * 60_000;
const plane = soakPlane({
  chance: chanceOf(seed + 1),
  until,
  played: (scenario) => count(byKind, scenario),
  killed: (victim) => {
    count(byFault, `kill ${victim} of the plane`);
    total.kills += 1;
    addCoverage(coverage, { ...noCoverage(), faults: new Map([[`kill ${victim} of the plane`, 1]]) });
  },
  wrong,
});
while (Date.now() < until) await round(stage, chance, until);
await plane;
for (const violation of await stage.recording.end(stage.runs.control, { listed: false })) wrong(sentenceOf(violation));
clearInterval(telling);
unfollow();
total.gaps = stage.recording.gaps;
total.longestAskMs = stage.runs.longestAskMs();
progress();
for (const seen of stage.recording.coverage) addCoverage(coverage, seen);
total.operations = coverage.operations;
total.effects = coverage.effects;
total.recoveries = coverage.recoveries;
const faults = [...victims, ...planeVictims.map((victim) => `${victim} of the plane`)].map(
  (victim) => `kill ${victim}`,
);
const whole = minutes >= wholeMinutes ? { faults, events: wantedEvents } : {};
for (const problem of vacuous(coverage, { operations: minutes * 20, ...whole })) wrong(`it proves nothing: ${problem}`);
await stage.stop();
const seen = (counts: ReadonlyMap<string, number>) =>
  Object.fromEntries([...counts].toSorted(([one], [other]) => (one < other ? -1 : 1)));
process.stdout.write(
  `${JSON.stringify({ ...total, faults: seen(byFault), scenarios: seen(byKind), events: seen(coverage.events) })}\n`,
);
process.exit(total.violations === 0 ? 0 : 1);
