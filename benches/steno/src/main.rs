//! steno beside deployctl's engine. `benches/peers` builds this program, and runs it with the commands that every
//! contender has (benches/peers/contenders.rs).

mod saga;
mod store;
#[path = "../../peers/told.rs"]
mod told;

use std::path::Path;
use std::sync::Arc;

use store::Store;
use told::Told;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["steps", file, n] => {
            let told = Arc::new(Told::default());
            saga::run(Store::open(Path::new(file)).await?, &told, n.parse()?).await?;
            told.print_gaps();
        }
        ["hang", file, n] => {
            let n = n.parse()?;
            saga::run(Store::open(Path::new(file)).await?, &Arc::new(Told::hanging_in(n)), n).await?;
        }
        ["resume", file] => {
            saga::resume(Store::open(Path::new(file)).await?, &Arc::new(Told::hanging_in(1))).await?;
        }
        _ => anyhow::bail!("usage: steps FILE N | hang FILE N | resume FILE"),
    }
    Ok(())
}
