/** What opens beside the messages and over them: one chunk, loaded when the first of them is opened. */
export { Viewer } from "../parts/viewer.tsx";
export { AboutChat, AboutMessage } from "./about.tsx";
export { DatePicker } from "./dates.tsx";
