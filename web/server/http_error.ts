/** A request that cannot be answered as asked: what the client is told, as JSON. */
export class HttpError extends Error {
  override name = "HttpError";

  /** @param code For programs: a word or two, the same for ever. @param message For people. */
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly headers: Record<string, string> = {},
  ) {
    super(message);
  }

  toResponse(): Response {
    const { status, code, message, headers } = this;
    return Response.json({ error: { code, message } }, { status, headers });
  }
}

/** The request names something that is not there. */
export function notFound(message: string): HttpError {
  return new HttpError(404, "not_found", message);
}
