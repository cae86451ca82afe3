/** A plugin for TypeDoc: modules have the names that one imports, `zbud/cache` instead of `cache`. */
import { Converter, ReflectionKind } from "typedoc";

const PACKAGE = "zbud";

export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const module of project.getReflectionsByKind(ReflectionKind.Module)) {
      module.name = module.name === "index" ? PACKAGE : `${PACKAGE}/${module.name}`;
    }
  });
}
