//! The page of the manual about task types, read for its tests.
use super::file::Block;
use super::seen::Seen;
use super::world::World;
use baton_decider::task_type::Waits;

/// One type's part of the page.
pub(crate) struct Section {
    /// The type.
    pub(crate) name: String,
    /// The example's definition.
    pub(crate) definition: String,
    /// How its execution ends, status and output.
    pub(crate) end: (String, String),
}

/// The sections of the page that are about one type.
pub(crate) fn sections(page: &str) -> Vec<Section> {
    let parts = page.split("\n## ").skip(1);
    let types =
        parts.filter(|part| !(part.starts_with("What holds") || part.starts_with("All of them")));
    types.map(section).collect()
}

fn section(part: &str) -> Section {
    let name = part.lines().next().unwrap_or_default().to_owned();
    let between = |from: &str, to: &str| -> String {
        let found = part.split_once(from).and_then(|(_, rest)| rest.split_once(to));
        found.unwrap_or_else(|| panic!("{name} has no `{from}`")).0.to_owned()
    };
    let example = between("```json ", "```");
    let (_, definition) = example.split_once('\n').expect("the fence's line ends");
    let end = between("\nEnds `", "`.");
    let (status, output) = end.split_once("` with `").expect("a status and an output");
    let end = (status.to_owned(), output.to_owned());
    Section { definition: definition.to_owned(), end, name }
}

/// Most answers that one example may need.
const ANSWERS_MAX: usize = 20;

/// How an execution of this definition ends when whatever waits is answered `{"done":true}`.
pub(crate) fn end_of(definition: &str) -> (String, String) {
    let mut seen = Seen::default();
    let mut world = World::new(&mut seen);
    let play = |world: &mut World<'_>, command: String| {
        world.play(&Block { command, transcript: String::new() });
    };
    play(&mut world, format!("workflow\n{definition}"));
    play(&mut world, "start {}".to_owned());
    for _ in 0..ANSWERS_MAX {
        match answer(&world) {
            Some(command) => play(&mut world, command),
            None => break,
        }
    }
    let execution = world.current();
    (execution.status.to_string(), execution.output.get().to_owned())
}

/// What moves the first task that waits.
fn answer(world: &World<'_>) -> Option<String> {
    let execution = world.current();
    if execution.status.is_terminal() {
        return None;
    }
    execution.open_tasks().find_map(|task| {
        let name = &task.reference;
        match (execution.node_of(task).facts.waits)(task) {
            Waits::Child => Some(format!("child {name} completed {{\"done\":true}}")),
            Waits::Start => Some(format!("started {name}")),
            Waits::Timer(_) => Some("at 1000000s".to_owned()),
            Waits::Action | Waits::Signal | Waits::Person => {
                Some(format!("complete {name} {{\"done\":true}}"))
            }
            Waits::Engine | Waits::Steps | Waits::Iteration => None,
        }
    })
}
