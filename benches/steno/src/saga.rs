//! A saga of steps that do nothing, one after the other.

use std::sync::Arc;

use steno::{
    Action, ActionContext, ActionError, ActionFunc, ActionRegistry, DagBuilder, Node, SagaDag, SagaId,
    SagaName, SagaType, SecClient,
};

use crate::store::Store;
use crate::told::Told;

#[derive(Debug)]
struct Count;

impl SagaType for Count {
    type ExecContextType = Arc<Told>;
}

async fn execute(cx: ActionContext<Count>) -> Result<String, ActionError> {
    Ok(cx.user_data().execute().await)
}

async fn undo(_: ActionContext<Count>) -> anyhow::Result<()> {
    Ok(())
}

fn step() -> Arc<dyn Action<Count>> {
    ActionFunc::new_action("step", execute, undo)
}

fn registry() -> Arc<ActionRegistry<Count>> {
    let mut registry = ActionRegistry::new();
    registry.register(step());
    Arc::new(registry)
}

fn sec(store: Store) -> SecClient {
    steno::sec(slog::Logger::root(slog::Discard, slog::o!()), Arc::new(store))
}

/// Runs a saga of `n` steps to its end.
pub(crate) async fn run(store: Store, told: &Arc<Told>, n: usize) -> anyhow::Result<()> {
    let (sec, step) = (sec(store), step());
    let mut dag = DagBuilder::new(SagaName::new("count"));
    for n in 0..n {
        dag.append(Node::action(format!("step{n}"), "step", step.as_ref()));
    }
    let dag = Arc::new(SagaDag::new(dag.build()?, serde_json::Value::Null));
    let id = SagaId::new_v4();
    let ended = sec.saga_create(id, Arc::new(Arc::clone(told)), dag, registry()).await?;
    sec.saga_start(id).await?;
    ended.await.kind.map_err(|error| anyhow::anyhow!("{error:?}"))?;
    sec.shutdown().await;
    Ok(())
}

/// Goes on with the sagas that are not done.
pub(crate) async fn resume(store: Store, told: &Arc<Told>) -> anyhow::Result<()> {
    let sagas = store.open_sagas().await?;
    let sec = sec(store);
    for (id, dag, events) in sagas {
        let ended = sec.saga_resume(id, Arc::new(Arc::clone(told)), dag, registry(), events).await?;
        sec.saga_start(id).await?;
        ended.await.kind.map_err(|error| anyhow::anyhow!("{error:?}"))?;
    }
    sec.shutdown().await;
    Ok(())
}
