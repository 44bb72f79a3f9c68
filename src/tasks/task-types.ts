import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import { taskTypesKey, typeDefaultsKey } from '../broker/keys.ts';
import type { Broker, Lane } from '../broker/lanes.ts';
import { badInput } from '../errors.ts';
import { parseTypeDefaults, type TypeDefaults } from './type-defaults.ts';

/** How old the known types may be before they are read again in the background, in ms. */
const FRESH_MS = 1_000;
/** Compiled schemas that are kept. */
const MAX_COMPILED = 500;
/** Names of known types that an error lists. */
const MAX_NAMED = 50;

type Check = (payload: unknown) => ErrorObject | undefined;

const acceptAny: Check = () => undefined;

/** A type as its workers announced it. */
export interface KnownType {
  type: string;
  /** JSON Schema; null for any. */
  payloadSchema: unknown;
  defaults: TypeDefaults;
}

interface Announcement {
  /** JSON text of the payload's schema; 'null' for any. */
  schema: string;
  /** Read when it is first asked for. */
  defaults: string | TypeDefaults;
}

/**
 * The task types that workers have announced, with the JSON Schemas of their payloads and the defaults of their tasks. Workers
 * announce them in Redis with each heartbeat; while Redis is away, the last known ones hold. Until any type is known, every type is accepted.
 */
export class TaskTypes {
  readonly #broker: Broker;
  readonly #logger: Logger;
  readonly #compiled = new LRUCache<string, Check>({ max: MAX_COMPILED });
  #types = new Map<string, Announcement>();
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;

  constructor(broker: Broker, logger: Logger) {
    this.#broker = broker;
    this.#logger = logger;
  }

  /** All known types, by name. Read anew when they are older than a second. */
  async list(): Promise<KnownType[]> {
    if (!this.#isFresh()) await this.refresh();
    return [...this.#types]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([type, { schema }]) => ({
        type,
        payloadSchema: parseSchema(schema) ?? null,
        defaults: this.defaultsOf(type) ?? {},
      }));
  }

  /**
   * Gets ready for `checkPayload` of these types: an unknown one may have been announced a moment ago, so the types are
   * read again before it is refused. Known ones are only refreshed in the background.
   */
  async prepare(types: Iterable<string>): Promise<void> {
    for (const type of types) {
      if (this.#types.has(type)) continue;
      await this.refresh();
      return;
    }
    if (!this.#isFresh()) void this.refresh();
  }

  /** Has a worker announced this type, as far as was read? */
  knows(type: string): boolean {
    return this.#types.has(type);
  }

  /** What tasks of a type get where they do not say; undefined for a type that no worker has announced. */
  readonly defaultsOf = (type: string): TypeDefaults | undefined => {
    const known = this.#types.get(type);
    if (!known) return undefined;
    if (typeof known.defaults === 'string') known.defaults = parseTypeDefaults(known.defaults);
    return known.defaults;
  };

  /**
   * @param path where the input stands in the request: "input", or "inputs.3"
   * @throws TaskFlowError BAD_USER_INPUT for a type that no worker has announced, or a payload that does not fit its type
   */
  readonly checkPayload = (type: string, payload: unknown, path: string): void => {
    if (this.#types.size === 0) return;
    const announced = this.#types.get(type);
    if (announced === undefined) {
      const known = [...this.#types.keys()].sort();
      const named = known.length > MAX_NAMED ? `${known.slice(0, MAX_NAMED).join(', ')}, …` : known.join(', ');
      throw badInput(`${path}.type`, `No worker has announced the task type "${type}". Known types: ${named}.`);
    }
    const fault = this.#checkOf(type, announced.schema)(payload);
    if (!fault) return;
    const field = [`${path}.payload`, ...pathOf(fault)].join('.');
    throw badInput(field, `${field} ${fault.message ?? 'does not fit the schema of its type'}.`);
  };

  /** Reads the types of both lanes. Callers that come together share one reading. When Redis is away nothing changes. */
  refresh(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  #isFresh(): boolean {
    return performance.now() - this.#readAt < FRESH_MS;
  }

  async #read(): Promise<void> {
    const lanes = await Promise.all(this.#broker.lanes.map((lane) => this.#readLane(lane)));
    this.#readAt = performance.now();
    const seen = lanes.filter((types) => types !== undefined);
    if (seen.length === 0) return;
    // A lane that does not answer takes no types away; one that lost its data does, if the other has lost it, too.
    const known = seen.length === lanes.length ? [] : this.#types;
    this.#types = new Map([...known, ...seen.flat()]);
  }

  async #readLane({ redis, shards }: Lane): Promise<[string, Announcement][] | undefined> {
    if (!shards[0]) return [];
    const { tag } = shards[0];
    try {
      // Sent together: one round trip.
      const [schemas, defaults] = await Promise.all([
        redis.hgetall(taskTypesKey(tag)),
        redis.hgetall(typeDefaultsKey(tag)),
      ]);
      return Object.entries(schemas).map(([type, schema]) => [type, { schema, defaults: defaults[type] ?? '{}' }]);
    } catch (error) {
      this.#logger.debug({ err: error }, 'could not read the task types');
      return undefined;
    }
  }

  #checkOf(type: string, schema: string): Check {
    let check = this.#compiled.get(schema);
    if (!check) {
      check = compile(schema, (err) =>
        this.#logger.warn({ err, type }, 'the payload schema is faulty: any payload is accepted'),
      );
      this.#compiled.set(schema, check);
    }
    return check;
  }
}

const parseSchema = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** A compiler of its own for each schema: a shared one would keep every schema for ever, and confuse equal `$id`s. */
const compile = (text: string, onFault: (error: unknown) => void): Check => {
  try {
    const schema = JSON.parse(text) as object | boolean | null;
    if (schema === null) return acceptAny;
    const validate: ValidateFunction = new Ajv2020({ strict: false, logger: false, validateFormats: false }).compile(
      schema,
    );
    return (payload) => (validate(payload) ? undefined : validate.errors?.[0]);
  } catch (error) {
    onFault(error);
    return acceptAny;
  }
};

/** Where in the payload the fault is; a missing or superfluous property is named itself. */
const pathOf = ({ instancePath, params }: ErrorObject): string[] => {
  const steps = instancePath
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  const { missingProperty, additionalProperty } = params as { missingProperty?: string; additionalProperty?: string };
  const name = missingProperty ?? additionalProperty;
  return name === undefined ? steps : [...steps, name];
};
