/** What is made once per argument and then shared, however many ask for it. */
export function once<A extends string, T>(make: (argument: A) => Promise<T>): (argument: A) => Promise<T> {
  const made = new Map<A, Promise<T>>();
  return (argument) => {
    const known = made.get(argument) ?? make(argument);
    made.set(argument, known);
    return known;
  };
}
