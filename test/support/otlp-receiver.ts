import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';

/** A span as a collector got it. */
export interface ReceivedSpan {
  traceId: string;
  spanId: string;
  /** Empty for the first of a trace. */
  parentSpanId: string;
  name: string;
  kind: 'INTERNAL' | 'SERVER' | 'CLIENT' | 'PRODUCER' | 'CONSUMER' | 'UNSPECIFIED';
  startMs: number;
  endMs: number;
  attributes: Record<string, string | number | boolean>;
  isError: boolean;
  /** Of its resource: "service.name" and the like. */
  service: string;
}

/** A collector that takes traces by OTLP over HTTP, as protobuf. */
export interface OtlpReceiver extends AsyncDisposable {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string;
  readonly spans: readonly ReceivedSpan[];
  /** Headers of each request. */
  readonly headers: readonly IncomingMessage['headers'][];
}

/** @param status what it answers */
export const startOtlpReceiver = async (status = 200): Promise<OtlpReceiver> => {
  const spans: ReceivedSpan[] = [];
  const headers: IncomingMessage['headers'][] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    headers.push(request.headers);
    const body = Buffer.concat(chunks);
    const isGood = request.url === '/v1/traces' && request.headers['content-type'] === 'application/x-protobuf';
    if (isGood) spans.push(...decodeRequest(request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body));
    response.writeHead(isGood ? status : 400, { 'content-type': 'application/x-protobuf' }).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    headers,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
};

/** A field of a message: its bytes, or its number. */
type Field = { bytes: Buffer } | { number: bigint };

/** By the numbers of opentelemetry/proto: what stands in a message, by field. */
const decode = (message: Buffer): Map<number, Field[]> => {
  const fields = new Map<number, Field[]>();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++] ?? 0;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const tag = Number(varint());
    const wire = tag & 7;
    let field: Field;
    if (wire === 0) {
      field = { number: varint() };
    } else if (wire === 1) {
      field = { number: message.readBigUInt64LE(at) };
      at += 8;
    } else if (wire === 2) {
      const length = Number(varint());
      field = { bytes: message.subarray(at, at + length) };
      at += length;
    } else {
      field = { number: BigInt(message.readUInt32LE(at)) };
      at += 4;
    }
    const list = fields.get(tag >> 3);
    if (list) list.push(field);
    else fields.set(tag >> 3, [field]);
  }
  return fields;
};

const bytesOf = (fields: Map<number, Field[]>, number: number): Buffer[] =>
  (fields.get(number) ?? []).flatMap((field) => ('bytes' in field ? [field.bytes] : []));
const textOf = (fields: Map<number, Field[]>, number: number): string => bytesOf(fields, number)[0]?.toString() ?? '';
const hexOf = (fields: Map<number, Field[]>, number: number): string =>
  bytesOf(fields, number)[0]?.toString('hex') ?? '';
const numberOf = (fields: Map<number, Field[]>, number: number): bigint => {
  const field = fields.get(number)?.[0];
  return field && 'number' in field ? field.number : 0n;
};

const decodeRequest = (body: Buffer): ReceivedSpan[] =>
  bytesOf(decode(body), 1)
    .map(decode)
    .flatMap((resourceSpans) => {
      const resource = attributesOf(decode(bytesOf(resourceSpans, 1)[0] ?? Buffer.alloc(0)), 1);
      const spans = bytesOf(resourceSpans, 2).flatMap((scopeSpans) => bytesOf(decode(scopeSpans), 2));
      return spans.map((span) => toSpan(decode(span), String(resource['service.name'])));
    });

const KINDS = ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'] as const;
const STATUS_ERROR = 2n;

const toSpan = (span: Map<number, Field[]>, service: string): ReceivedSpan => ({
  traceId: hexOf(span, 1),
  spanId: hexOf(span, 2),
  parentSpanId: hexOf(span, 4),
  name: textOf(span, 5),
  kind: KINDS[Number(numberOf(span, 6))] ?? 'UNSPECIFIED',
  startMs: Number(numberOf(span, 7)) / 1e6,
  endMs: Number(numberOf(span, 8)) / 1e6,
  attributes: attributesOf(span, 9),
  isError: bytesOf(span, 15).some((status) => numberOf(decode(status), 3) === STATUS_ERROR),
  service,
});

const attributesOf = (fields: Map<number, Field[]>, number: number): ReceivedSpan['attributes'] =>
  Object.fromEntries(
    bytesOf(fields, number).map((entry) => {
      const pair = decode(entry);
      return [textOf(pair, 1), toValue(decode(bytesOf(pair, 2)[0] ?? Buffer.alloc(0)))];
    }),
  );

/** Texts, truths and whole numbers. */
const toValue = (value: Map<number, Field[]>): string | number | boolean => {
  if (value.has(2)) return numberOf(value, 2) === 1n;
  if (value.has(3)) return Number(numberOf(value, 3));
  return textOf(value, 1);
};
