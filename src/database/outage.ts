import { Prisma, sqlState } from './client.ts';

/** Did a statement break a unique constraint? */
export const isUniqueViolation = (error: unknown): boolean =>
  sqlState(error) === '23505' || (error instanceof Prisma.PrismaClientKnownRequestError && error.code === 'P2002');
