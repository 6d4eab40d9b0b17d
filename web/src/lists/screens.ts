/** The lists that are not beside every chat: one chunk, loaded when the first of them is opened. */
export { ContactsScreen } from "./contacts.tsx";
export { GalleryScreen } from "./gallery.tsx";
export { SearchScreen } from "./search.tsx";
