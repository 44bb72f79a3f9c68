import { randomUUID } from 'node:crypto';
import { context, DiagLogLevel, diag, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import packageJson from '../../package.json' with { type: 'json' };
import type { Config } from '../config.ts';
import { type Logger, logTraces, quietly } from '../logger.ts';
import { within } from '../within.ts';
import { Spans } from './spans.ts';
import type { Tracing } from './tracing.ts';

/** How long a process that stops may take to send its last spans, in ms. */
const CLOSE_MS = 3_000;

/**
 * Begins to collect traces, and makes OpenTelemetry's API know it: spans of handlers, and of libraries that they use, find their
 * place by themselves.
 *
 * @param process its kind: "api", "manager", …
 */
export const openTracing = (config: Config, process: string, logger: Logger): Tracing => {
  const report = reportProblems(logger);
  const base = config.OTEL_EXPORTER_OTLP_ENDPOINT.replace(/\/$/, '');
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.name': `taskflow-${process}`,
      'service.version': packageJson.version,
      'service.instance.id': randomUUID(),
    }).merge(detectResources({ detectors: [envDetector] })),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(config.OTEL_TRACES_SAMPLER_ARG) }),
    spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter({ url: `${base}/v1/traces` }) })],
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(provider);
  logTraces(() => trace.getActiveSpan()?.spanContext().traceId);
  return new Spans(trace.getTracer('taskflow', packageJson.version), async () => {
    if (!(await within(CLOSE_MS, provider.shutdown()).catch(() => false))) report();
  });
};

/** What OpenTelemetry says may hold the answer of a collector, or the headers with which it was asked: only the fact is logged. */
const reportProblems = (logger: Logger): (() => void) => {
  const report = quietly(logger, 'traces could not be sent, or not all of them');
  const say = (): void => report(new Error('OpenTelemetry met a problem'));
  const nothing = (): void => {};
  diag.setLogger({ error: say, warn: say, info: nothing, debug: nothing, verbose: nothing }, DiagLogLevel.WARN);
  return say;
};
