/** The screens for managing: one chunk, loaded when the first of them is opened. */
export { ImportsScreen } from "./imports.tsx";
export { ManageScreen } from "./manage.tsx";
export { SourcesScreen } from "./sources.tsx";
