/**
 * Runs `work` while no other process runs work under the same lock. The lock ends with the process,
 * however that ends. On a file system without locks, `work` runs unguarded.
 *
 * @param path Of a file that is made for the time being.
 * @param onBusy Called if another has the lock: returns to wait for it, or throws.
 */
export async function withLock<T>(
  path: string,
  onBusy: () => void,
  work: () => Promise<T>,
): Promise<T> {
  while (true) {
    using file = await Deno.open(path, { create: true, write: true });
    if (!await tryLock(file)) {
      onBusy();
      await file.lock(true);
    }
    // Who had it has removed the file, and a third may by now have locked the next of that name.
    if (!await isStill(file, path)) continue;
    try {
      return await work();
    } finally {
      await Deno.remove(path).catch(() => {}); // it does no harm
    }
  }
}

/**
 * Runs `work` as {@linkcode withLock} does, unless another process is at it.
 *
 * @returns What the work returns, in an object; undefined if another has the lock.
 */
export async function withFreeLock<T>(
  path: string,
  work: () => Promise<T>,
): Promise<{ result: T } | undefined> {
  const busy = new Error(`another process has locked ${path}`);
  try {
    const onBusy = () => {
      throw busy;
    };
    return { result: await withLock(path, onBusy, work) };
  } catch (error) {
    if (error === busy) return undefined;
    throw error;
  }
}

async function tryLock(file: Deno.FsFile): Promise<boolean> {
  try {
    return await file.tryLock(true);
  } catch {
    return true; // no locks here
  }
}

async function isStill(file: Deno.FsFile, path: string): Promise<boolean> {
  try {
    const [mine, there] = [await file.stat(), await Deno.stat(path)];
    return mine.dev === there.dev && mine.ino === there.ino;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
