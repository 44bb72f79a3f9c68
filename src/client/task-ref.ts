/**
 * A task type as far as who submits it must know it: its name, and in TypeScript what its payload and its result are. What
 * `defineTask` makes is one, so a client and a worker can share a definition; `taskRef` makes one without a handler.
 */
export interface TaskRef<Input = unknown, Result = unknown> {
  readonly type: string;
  /** Says nothing at run time: it carries the types. */
  readonly '~types'?: { readonly input: Input; readonly result: Result };
}

/** A value after its way through JSON: dates are text, what is undefined at the top is null, functions are gone. */
export type Json<T> = unknown extends T
  ? T
  : T extends { toJSON(...parameters: never): infer Text }
    ? Json<Text>
    : T extends string | number | boolean | null
      ? T
      : // biome-ignore lint/suspicious/noConfusingVoidType: what a handler without a return statement returns.
        T extends undefined | void
        ? null
        : T extends readonly unknown[]
          ? { [Index in keyof T]: Json<T[Index]> }
          : { [Key in keyof T as T[Key] extends AnyFunction ? never : Key]: JsonProperty<T[Key]> };

type JsonProperty<T> = Json<Exclude<T, undefined>> | Extract<T, undefined>;
type AnyFunction = (...parameters: never) => unknown;

/** What a client submits for a task type: the input of its payload's schema. */
export type InputOf<Ref> = Ref extends TaskRef<infer Input, unknown> ? Input : never;

/** What a task of this type ends with. */
export type ResultOf<Ref> = Ref extends TaskRef<unknown, infer Result> ? Result : never;

/** Names a task type that some worker runs, in whatever language, and says what it takes and gives. */
export const taskRef = <Input = unknown, Result = unknown>(type: string): TaskRef<Input, Result> => ({ type });
