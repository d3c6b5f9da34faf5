import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { portsFor } from './record.ts';

test('kept ports stay, but for one that somebody else has taken meanwhile', async () => {
  const kept = await portsFor(undefined);
  const other = createServer();
  await new Promise<void>((resolve) => other.listen({ host: '127.0.0.1', port: kept.nats }, resolve));
  try {
    const ports = await portsFor(kept);
    const changed = Object.entries(ports).filter(([name, port]) => kept[name as keyof typeof kept] !== port);
    expect(changed.map(([name]) => name)).toEqual(['nats']);
    expect(new Set(Object.values(ports)).size).toBe(Object.values(ports).length);
  } finally {
    other.close();
  }
});
