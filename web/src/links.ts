/** Where links stand in a text. A module of its own: it is large, and links change no line's length. */
export { tokenize } from "linkifyjs";
