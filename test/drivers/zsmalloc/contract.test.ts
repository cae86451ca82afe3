import "../../../src/drivers/index.ts";
import { zpoolContract } from "../../contracts/zpool.ts";

zpoolContract({
  type: "zsmalloc",
  canReclaim: true,
  objectBytesMax: (pageSize) => pageSize,
  objectsPerPageMax: 128,
  evictionsPerPageMax: 256,
  mapsInPlace: false,
});
