/** The clock of a page or a Worker, and how fine it is. */

const LOOK_MS = 10;

/**
 * The smallest step of this thread's clock, in ns. Browsers coarsen it: to 5 us at best in an isolated page, to 100 us
 * elsewhere.
 */
export function clockResolution() {
  let smallest = Infinity;
  const end = performance.now() + LOOK_MS;
  for (let last = performance.now(); last < end; ) {
    const now = performance.now();
    if (now > last) smallest = Math.min(smallest, now - last);
    last = now;
  }
  // A step so coarse that none was seen is at least as long as the look.
  return Math.round((Number.isFinite(smallest) ? smallest : LOOK_MS) * 1e6);
}
