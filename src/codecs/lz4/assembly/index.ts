export {
  block,
  blockDict,
  blockDictLarge,
  blockDictSmall,
  blockLarge,
  blockPage,
  blockSmall,
  compress,
} from "./compress";
export { spill } from "./copy";
export { decompress } from "./decompress";
export { setDictionary } from "./dictionary";
