// What the minified library calls often: esbuild gives these constants names of a letter or two, where
// the globals themselves keep theirs.
const shortError = Error;
const shortRangeError = RangeError;
const shortMath = Math;
const shortNumber = Number;
const shortObject = Object;
const shortArray = Array;
const shortMap = Map;
const shortSet = Set;
const shortJSON = JSON;
const shortPromise = Promise;
const shortFloat32Array = Float32Array;
const shortUint32Array = Uint32Array;
const shortUint8Array = Uint8Array;
export {
  shortArray as Array,
  shortError as Error,
  shortFloat32Array as Float32Array,
  shortJSON as JSON,
  shortMap as Map,
  shortMath as Math,
  shortNumber as Number,
  shortObject as Object,
  shortPromise as Promise,
  shortRangeError as RangeError,
  shortSet as Set,
  shortUint32Array as Uint32Array,
  shortUint8Array as Uint8Array,
};
