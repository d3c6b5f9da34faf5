// Owns: one hunt: plays seeds until one shows what is wrong. The last line is what was found.
import { installTimers } from '../timers.ts';

installTimers();
const { simulate } = await import('../simulation.ts');
const { bugs } = await import('./bugs.ts');
const scene = bugs.find(({ name }) => name === process.env['BUG'])?.scene ?? {};

setImmediate(() => {
  const max = Number(process.env['SEEDS'] ?? 5_000);
  for (let seed = 1; seed <= max; seed += 1) {
    const [violation] = simulate(seed, { scene }).violations;
    if (violation === undefined) continue;
    process.stdout.write(`${JSON.stringify({ seeds: seed, ...violation })}\n`);
    process.exit(0);
  }
  process.stdout.write(`${JSON.stringify({ seeds: max })}\n`);
  process.exit(0);
});
