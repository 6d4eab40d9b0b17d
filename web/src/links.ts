/** Where links are in a text. A separate module, because it is large and can load late: links move no text. */
export { tokenize } from "linkifyjs";
