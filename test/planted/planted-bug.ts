/** A bug to plant: a change of text. */
export interface PlantedBug {
  /** What goes wrong, for the table. */
  name: string;
  /** Path from the project's folder. */
  file: string;
  /** Text that occurs once in the file. */
  find: string;
  replace: string;
}
