/** What WebGPU computes on: which adapter, and whether it is hardware. */

/** Names of adapters that are programs: Chromium's own, Mesa's and Windows'. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|\bwarp\b|microsoft basic render/i;

/** Limits that decide whether a model fits. */
const LIMITS = [
  'maxBufferSize', 'maxStorageBufferBindingSize', 'maxStorageBuffersPerShaderStage', 'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
];

/**
 * @typedef {{present: boolean, kind: 'hardware' | 'software' | 'unknown' | 'none', description: string, vendor: string,
 *   architecture: string, features: string[], limits: Record<string, number>}} Adapter
 */

/** @returns {Promise<Adapter>} the adapter that WebGPU hands out */
export async function findAdapter() {
  if (navigator.gpu === undefined) return absent('this browser has no WebGPU (navigator.gpu is absent)');
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
  return adapter === null ? absent('WebGPU is there and has no adapter') : describeAdapter(adapter, adapter.info);
}

/**
 * Describe an adapter, or a device, which has the same members.
 * @param {{features: Iterable<string>, limits: Record<string, number>}} holder
 * @param {{vendor: string, architecture: string, device: string, description: string,
 *   isFallbackAdapter?: boolean}} info
 * @returns {Adapter}
 */
export function describeAdapter(holder, info) {
  const words = [info.vendor, info.architecture, info.device, info.description].filter(Boolean);
  const isFallback = holder.isFallbackAdapter === true || info.isFallbackAdapter === true;
  const isSoftware = isFallback || SOFTWARE.test(words.join(' '));
  return {
    present: true,
    // A browser may hide every name from a page; then nothing says that it is hardware.
    kind: isSoftware ? 'software' : words.length > 0 ? 'hardware' : 'unknown',
    description: info.description || words.join(' ') || 'unnamed adapter',
    vendor: info.vendor ?? '',
    architecture: info.architecture ?? '',
    features: [...holder.features].sort(),
    limits: Object.fromEntries(LIMITS.map((name) => [name, holder.limits[name]])),
  };
}

const absent = (description) => ({
  present: false, kind: 'none', description, vendor: '', architecture: '', features: [], limits: {},
});
