// CRC-64/NVME, by which the bucket knows whether a part arrived as it was sent.

const POLYNOMIAL = [0x9a6c9329, 0xac4bc9b5]; // reflected, its upper and lower half
const UPPER = new Uint32Array(256);
const LOWER = new Uint32Array(256);

for (let byte = 0; byte < 256; byte++) {
  let [upper, lower] = [0, byte];
  for (let bit = 0; bit < 8; bit++) {
    const odd = lower & 1;
    lower = (lower >>> 1) | (upper << 31);
    upper >>>= 1;
    if (odd) {
      upper ^= POLYNOMIAL[0];
      lower ^= POLYNOMIAL[1];
    }
  }
  [UPPER[byte], LOWER[byte]] = [upper, lower];
}

/** The checksum of a blob as the API writes it: big-endian, in base64. */
export async function crc64nvme(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let [upper, lower] = [-1, -1];
  for (let at = 0; at < bytes.length; at++) {
    const byte = (lower ^ bytes[at]) & 0xff;
    lower = ((lower >>> 8) | (upper << 24)) ^ LOWER[byte];
    upper = (upper >>> 8) ^ UPPER[byte];
  }
  const sum = new DataView(new ArrayBuffer(8));
  sum.setInt32(0, ~upper);
  sum.setInt32(4, ~lower);
  return btoa(String.fromCharCode(...new Uint8Array(sum.buffer)));
}
