import "../../../src/drivers/index.ts";
import { zpoolContract } from "../../contracts/zpool.ts";

zpoolContract({
  type: "slots",
  canReclaim: true,
  objectBytesMax: (pageSize) => pageSize,
  objectsPerPageMax: 64,
  evictionsPerPageMax: 64,
  mapsInPlace: true,
});
