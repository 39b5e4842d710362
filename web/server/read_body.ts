import { HttpError } from "./http_error.ts";

/**
 * The body of a request, of limited length and within limited time.
 *
 * @param limit In bytes.
 * @param milliseconds For all of it.
 * @throws {HttpError} 413 if it is longer, 408 if it takes longer, 400 if it breaks off.
 */
export async function readBody(
  request: Request,
  limit: number,
  milliseconds: number,
): Promise<Uint8Array> {
  const tooLong = new HttpError(413, "too_large", `a request may hold ${limit} bytes at most`, {
    connection: "close",
  });
  const told = Number(request.headers.get("content-length") ?? 0);
  if (told > limit) {
    await request.body?.cancel().catch(() => {});
    throw tooLong;
  }
  const reader = request.body?.getReader();
  if (!reader) return new Uint8Array();
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const message = `the request's body did not arrive within ${milliseconds / 1000} s`;
    late.reject(new HttpError(408, "too_slow", message, { connection: "close" }));
  }, milliseconds);
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    while (true) {
      const reading = reader.read();
      reading.catch(() => {}); // if it is late, nobody waits for it any more
      const { done, value } = await Promise.race([reading, late.promise]);
      if (done) break;
      if ((length += value.length) > limit) throw tooLong;
      chunks.push(value);
    }
  } catch (error) {
    reader.cancel().catch(() => {});
    if (error instanceof HttpError) throw error;
    throw new HttpError(400, "broken_off", "the request's body broke off");
  } finally {
    clearTimeout(timer);
  }
  const body = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.length;
  }
  return body;
}
