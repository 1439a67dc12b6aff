//! Documents that publish events and wait for them.

use atom_core::storage::RunStatus;
use atom_engine::api::{CancelRunRequest, ListEventsRequest};
use atom_integrations::http::testing::TestResponse;
use serde_json::{Value, json};

use super::documents;
use super::stage::Stage;

documents! {
    "accumulate-room-readings.yaml" => room_readings,
    "emit.yaml" => emit,
    "for.yaml" => checkups,
    "listen-to-all read-envelope.yaml" => envelopes,
    "listen-to-all.yaml" => all,
    "listen-to-any-filter.yaml" => any_of_two,
    "listen-to-any-forever-foreach.yaml" => forever,
    "listen-to-any-until-condition.yaml" => until_condition,
    "listen-to-any-until-consumed.yaml" => until_consumed,
    "listen-to-any.yaml" => any,
    "listen-to-one.yaml" => one,
}

const TEMPERATURE: &str = "com.fake-hospital.vitals.measurements.temperature";
const PULSE: &str = "com.fake-hospital.vitals.measurements.bpm";

async fn room_readings(stage: Stage) {
    let scene = stage.alone().await;
    let run = scene.start(json!({})).await;
    scene.recorded(&run, "task_started", 1).await;
    for (kind, room) in [("temperature", 1), ("humidity", 2), ("humidity", 1)] {
        let event = json!({
            "source": "https://my.home.com/sensor",
            "type": format!("my.home.sensors.{kind}"),
            "roomid": room,
            "data": { "reading": 20 },
        });
        scene.publish(event).await;
    }
    // One event of each kind, of the same room; but an array of them has no 'data'.
    let error = scene.ended(&run).await.error.expect("the run faults");
    assert_eq!(error["instance"], "/do/0/consumeReading");
    scene.recorded(&run, "task_received", 2).await;
}

async fn emit(stage: Stage) {
    let scene = stage.alone().await;
    scene.run(json!({})).await;
    let events = scene
        .engine
        .call(ListEventsRequest::default())
        .await
        .expect("events are listed");
    assert_eq!(events.events.len(), 1);
    let event = &events.events[0].event;
    assert_eq!(
        (&*event.kind, &*event.source),
        ("com.petstore.order.placed.v1", "https://petstore.com")
    );
    assert_eq!(
        event.data.as_ref().expect("the event has data")["items"][0]["quantity"],
        101
    );
}

async fn checkups(stage: Stage) {
    let scene = stage.alone().await;
    let nobody = scene.run(json!({ "pets": [{ "id": 1 }] })).await;
    assert_eq!(nobody.output, Some(json!({ "pets": [{ "id": 1 }] })));

    let run = scene.start(json!({ "pets": [{ "id": 1 }], "vet": "Ada" })).await;
    scene
        .signal(
            &run,
            "com.fake.petclinic.pets.checkup.completed.v2",
            None,
            json!({}),
        )
        .await;
    // What the task gives is an array of events, which has no 'pets'.
    let error = scene.ended(&run).await.error.expect("the run faults");
    assert_eq!(error["instance"], "/do/0/checkup/do/0/waitForCheckup");
}

/// Sends a normal measurement, which is not waited for, and two that are alarming.
async fn measure(stage: Stage) -> Value {
    let scene = stage.alone().await;
    let run = scene.start(json!({})).await;
    scene
        .signal(&run, TEMPERATURE, None, json!({ "temperature": 37 }))
        .await;
    scene.signal(&run, PULSE, None, json!({ "bpm": 120 })).await;
    scene
        .signal(&run, TEMPERATURE, None, json!({ "temperature": 39 }))
        .await;
    scene.ended(&run).await.output.expect("the run completes")
}

async fn all(stage: Stage) {
    assert_eq!(
        measure(stage).await,
        json!([{ "bpm": 120 }, { "temperature": 39 }])
    );
}

async fn envelopes(stage: Stage) {
    let events = measure(stage).await;
    assert_eq!(events[0]["type"], PULSE);
    assert_eq!(events[1]["data"], json!({ "temperature": 39 }));
}

async fn any_of_two(stage: Stage) {
    let scene = stage.alone().await;
    let run = scene.start(json!({})).await;
    scene
        .signal(&run, TEMPERATURE, None, json!({ "temperature": 37 }))
        .await;
    scene.signal(&run, PULSE, None, json!({ "bpm": 40 })).await;
    assert_eq!(scene.ended(&run).await.output, Some(json!([{ "bpm": 40 }])));
}

async fn any(stage: Stage) {
    let scene = stage.alone().await;
    let run = scene.start(json!({})).await;
    scene.signal(&run, "anything", None, json!(1)).await;
    assert_eq!(scene.ended(&run).await.output, Some(json!([1])));
}

async fn until_condition(stage: Stage) {
    let scene = stage.alone().await;
    let run = scene.start(json!({})).await;
    for number in 0..4 {
        scene.signal(&run, "anything", None, json!(number)).await;
    }
    assert_eq!(scene.ended(&run).await.output, Some(json!([0, 1, 2, 3])));
}

async fn until_consumed(stage: Stage) {
    let scene = stage.alone().await;
    let run = scene.start(json!({})).await;
    scene.signal(&run, PULSE, None, json!({ "bpm": 40 })).await;
    scene.signal(&run, PULSE, None, json!({ "bpm": 80 })).await;
    scene
        .signal(&run, "com.fake-hospital.patient.checked-out", None, json!({}))
        .await;
    assert_eq!(scene.ended(&run).await.output, Some(json!([{ "bpm": 40 }])));
}

async fn forever(stage: Stage) {
    let scene = stage
        .with_hosts(&["fake-chat-api.com"], |_| TestResponse::json(&json!({})))
        .await;
    let run = scene.start(json!({ "roomId": 9 })).await;
    scene.signal(&run, "gossip", None, json!({ "roomId": 9 })).await;
    scene.received(1).await;
    assert_eq!(scene.asked(), ["POST fake-chat-api.com/room/9"]);
    let cancelled = scene
        .engine
        .call(CancelRunRequest {
            id: run.id,
            reason: None,
        })
        .await;
    assert_eq!(
        cancelled.expect("the run is cancelled").status,
        RunStatus::Cancelled
    );
}

async fn one(stage: Stage) {
    let race = |_: &_| TestResponse::json(&json!({ "started": true }));
    let scene = stage.with_hosts(&["virtual-wf-powered-race.com"], race).await;
    let run = scene.start(json!({ "carId": 4 })).await;
    scene
        .signal(
            &run,
            "com.virtual-wf-powered-race.events.race.started.v1",
            None,
            json!({}),
        )
        .await;
    assert_eq!(scene.ended(&run).await.output, Some(json!({ "started": true })));
    // The call's input is the array of events, which has no 'carId'.
    assert_eq!(
        scene.asked(),
        ["POST virtual-wf-powered-race.com/api/v4/cars//start"]
    );
}
