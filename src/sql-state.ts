interface PrismaMeta {
  code?: string;
  driverAdapterError?: { cause?: { originalCode?: string } };
}

/**
 * SQLSTATE of an error from raw SQL, through Prisma or past it, or undefined where it did not come from PostgreSQL's answer.
 *
 * Errors are known by their shape: workers, which log what this says, load neither Prisma nor the driver.
 */
export const sqlState = (error: unknown): string | undefined => {
  if (!(error instanceof Error)) return undefined;
  const { code, severity, meta } = error as { code?: unknown; severity?: unknown; meta?: PrismaMeta };
  // Of the driver's errors only those that PostgreSQL sent have a severity.
  if (severity !== undefined && typeof code === 'string') return code;
  if (error.name !== 'PrismaClientKnownRequestError') return undefined;
  return meta?.driverAdapterError?.cause?.originalCode ?? meta?.code;
};
