/** A result that is JSON text already. */
export class EncodedResult {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A result as JSON text: undefined becomes null. */
export const toJson = (value: unknown): string | { problem: string } => {
  if (value === undefined) return 'null';
  if (value instanceof EncodedResult) return value.text;
  try {
    return JSON.stringify(value) ?? { problem: `it is a ${typeof value}` };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
};
