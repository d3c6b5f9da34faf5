// Owns: what the gateway is made of. `main.ts` binds it to real adapters, tests to whatever they break.
import type { Credentials, Model, Tools } from '../../ports/agent.ts';
import type { Bus } from '../../ports/bus.ts';
import type { Ledger } from '../../ports/journal.ts';
import type { Clock, Ids, Log, Metrics } from '../../ports/system.ts';
import type { SchemaChecks } from '../json-schema.ts';
import type { Catalog } from './catalog.ts';
import type { Limits } from './limits.ts';
import type { Spend } from './spend.ts';

export interface GatewaySettings {
  readonly namespace: string;
  /** Name of this process in ledger entries. */
  readonly opener: string;
  readonly partitionOf: (run: string) => number;
}

export interface GatewayPorts {
  /** Account CONTROL: engine, catalog, ledger, spend. */
  readonly control: Bus;
  readonly ledger: Ledger;
  readonly model: Model;
  readonly tools: Tools;
  readonly credentials: Credentials;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly receiptKey: Uint8Array;
}

/** All of a running gateway: ports, settings and what it keeps in memory. */
export interface Gateway extends GatewayPorts {
  readonly settings: GatewaySettings;
  readonly catalog: Catalog;
  readonly limits: Limits;
  readonly spend: Spend;
  readonly schemas: SchemaChecks;
  readonly counted: GatewayMetrics;
}

export interface GatewayMetrics {
  readonly call: (labels: { kind: string; outcome: string }) => void;
  readonly seconds: (seconds: number, labels: { kind: string }) => void;
  readonly cost: (labels: { model: string }, micros: number) => void;
}

export function gatewayMetrics(metrics: Metrics): GatewayMetrics {
  const calls = metrics.counter('signalbox_gateway_calls_total', 'Asks answered, by kind and outcome.', [
    'kind',
    'outcome',
  ]);
  const seconds = metrics.histogram(
    'signalbox_gateway_call_seconds',
    'Time to answer an ask, waits included.',
    [0.005, 0.025, 0.1, 0.5, 1, 5, 10, 30, 60],
    ['kind'],
  );
  const cost = metrics.counter('signalbox_model_cost_micros_total', 'Cost of model calls in micro-units.', ['model']);
  return { call: (labels) => calls(labels), seconds, cost };
}
