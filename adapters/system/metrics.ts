// Owns: the metrics of a process, in one registry.
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { Metrics } from '../../ports/system.ts';

/**
 * A registry of its own, with prom-client's process metrics (CPU, memory, garbage collection, event-loop lag). Asking
 * twice for one name gives the same metric, so that several parts may count into it.
 */
export function promMetrics(options: { readonly processMetrics?: boolean } = {}): Metrics {
  const registry = new Registry();
  if (options.processMetrics ?? true) collectDefaultMetrics({ register: registry });
  const make = <T>(name: string, build: () => T): T => (registry.getSingleMetric(name) as T | undefined) ?? build();
  const shared = { registers: [registry] };
  return {
    counter(name, help, labels = []) {
      const counter = make(name, () => new Counter({ name, help, labelNames: labels, ...shared }));
      return (values = {}, by = 1) => counter.inc(values, by);
    },
    gauge(name, help, labels = []) {
      const gauge = make(name, () => new Gauge({ name, help, labelNames: labels, ...shared }));
      return (value, values = {}) => gauge.set(values, value);
    },
    histogram(name, help, buckets, labels = []) {
      const histogram = make(
        name,
        () => new Histogram({ name, help, buckets: [...buckets], labelNames: labels, ...shared }),
      );
      return (value, values = {}) => histogram.observe(values, value);
    },
    render: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
  };
}
