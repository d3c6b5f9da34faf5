// Owns: the clinic's HTTP pages. POST /tools/NAME or /runs/RUN/tools/NAME, MCP at /mcp or /runs/RUN/mcp,
// GET /effects[?run=RUN], POST and DELETE /faults, GET /healthz. Settings: POD_IP, PORT, CLINIC_DB, SIGNALBOX_ROOT.
import express, { type Express, type Request, type Response } from 'express';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Clinic, type Fault, faultKinds } from './clinic.ts';
import { openClinic } from './database.ts';
import { answerMcp } from './mcp.ts';

/** The clinic's pages over an open clinic. */
export function clinicApp(clinic: Clinic): Express {
  const app = express();
  app.disable('x-powered-by');
  app.use(express.json({ limit: '256kb' }));
  app.get('/healthz', (_request, response) => void response.json({ ok: true }));
  app.get('/effects', (request, response) => {
    const { run } = request.query;
    response.json(clinic.effects(typeof run === 'string' ? run : undefined));
  });
  app.post('/faults', (request, response) => {
    const fault = parseFault(request.body);
    if (typeof fault === 'string') return void response.status(400).json({ error: fault });
    clinic.addFault(fault);
    response.json(fault);
  });
  app.delete('/faults', (_request, response) => {
    clinic.clearFaults();
    response.json({});
  });
  for (const prefix of ['', '/runs/:run']) {
    app.post(`${prefix}/tools/:tool`, (request, response) => answerTool(clinic, request, response));
    app.all(`${prefix}/mcp`, (request, response) => answerOverMcp(clinic, request, response));
  }
  return app;
}

async function answerTool(clinic: Clinic, request: Request, response: Response): Promise<void> {
  const tool = String(request.params['tool']);
  const fault = clinic.takeFault(tool);
  if (await meets(fault, response)) return;
  const key = request.get('idempotency-key');
  const answer = clinic.call({ tool, args: request.body ?? {}, key, run: runOf(request), via: 'http' });
  if (fault?.kind === 'resetAfter') return void response.socket?.destroy();
  if (answer.kind === 'Refused') return void response.status(answer.status).json({ error: answer.error });
  if (answer.replayed) response.set('Idempotency-Replayed', 'true');
  response.json(answer.result);
}

async function answerOverMcp(clinic: Clinic, request: Request, response: Response): Promise<void> {
  await answerMcp(request, response, async (tool, args, key) => {
    const fault = clinic.takeFault(tool);
    const down = await mcpFault(fault, response);
    if (down !== undefined) return { error: down };
    const answer = clinic.call({ tool, args, key, run: runOf(request), via: 'mcp' });
    if (fault?.kind === 'resetAfter') response.socket?.destroy();
    return answer.kind === 'Refused' ? { error: answer.error } : { result: answer.result };
  });
}

/** What the fault makes the tool answer, if anything. */
async function mcpFault(fault: Fault | undefined, response: Response): Promise<string | undefined> {
  if (fault?.kind === 'slow') await sleep(fault.ms ?? 1000);
  if (fault?.kind === 'fail' || fault?.kind === 'refuse') return `${fault.tool} is out of order`;
  if (fault?.kind !== 'resetBefore') return undefined;
  response.socket?.destroy();
  return 'the connection was cut';
}

/** True when the fault has answered for the tool. */
async function meets(fault: Fault | undefined, response: Response): Promise<boolean> {
  if (fault?.kind === 'slow') await sleep(fault.ms ?? 1000);
  if (fault?.kind === 'fail') response.status(503).json({ error: `${fault.tool} is out of order` });
  if (fault?.kind === 'refuse') response.status(422).json({ error: `${fault.tool} says no` });
  if (fault?.kind === 'resetBefore') response.socket?.destroy();
  return fault !== undefined && fault.kind !== 'slow' && fault.kind !== 'resetAfter';
}

const runOf = (request: Request): string => {
  const run = request.params['run'];
  return typeof run === 'string' ? run : '';
};

/** A fault, or what is wrong with it. */
function parseFault(body: unknown): Fault | string {
  const { tool, nth = 1, kind, ms } = (body ?? {}) as Partial<Fault>;
  if (typeof tool !== 'string') return 'tool: found nothing; name a tool';
  if (!Number.isInteger(nth) || nth < 1) return `nth: found ${JSON.stringify(nth)}; allowed are whole numbers from 1`;
  if (kind === undefined || !faultKinds.includes(kind)) {
    return `kind: found ${JSON.stringify(kind)}; allowed are ${faultKinds.join(', ')}`;
  }
  return ms === undefined ? { tool, nth, kind } : { tool, nth, kind, ms };
}

function serve(): void {
  const { POD_IP = '127.0.0.1', PORT = '8080', CLINIC_DB = '/tmp/clinic.db', SIGNALBOX_ROOT = '' } = process.env;
  const file = `${SIGNALBOX_ROOT}${CLINIC_DB}`;
  mkdirSync(dirname(file), { recursive: true });
  const db = openClinic(file);
  const server = clinicApp(new Clinic(db)).listen(Number(PORT), POD_IP, () => {
    process.stdout.write(`clinic listens on http://${POD_IP}:${PORT}, database ${file}\n`);
  });
  process.on('SIGTERM', () => {
    server.close(() => {
      db.close();
      process.exit(0);
    });
    server.closeIdleConnections();
    setTimeout(() => process.exit(0), 3000).unref();
  });
}

if (import.meta.main) serve();
