// What a client throws, in one line. SDKs throw their answers, which may hold what they were given: only the code and
// the words are taken.

export function describe(error) {
  if (error instanceof Error) return error.message || error.name;
  if (error && typeof error === 'object') return `${error.errCode ?? 'no code'} ${error.errMsg ?? ''}`.trim();
  return String(error);
}
