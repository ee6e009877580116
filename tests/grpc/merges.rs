//! Entities that are one, over the wire.

use predilect::engine::Moment;
use predilect::link::DuplicateParams;
use predilect::rpc::proto::{
    Document, FindDuplicatesRequest, MergeEntitiesRequest, NodeKind, UnmergeEntitiesRequest,
    UpsertNodesRequest, upsert_node_result,
};
use tonic::Code;

use crate::fixture::{Server, field, node, reason};

#[test]
fn a_merge_is_in_the_next_read_and_gone_after_it_is_lifted() {
    let server = Server::tiny();
    let mut client = server.client();
    let before = client.stats().unwrap().0.content_hash;
    let brands = |client: &predilect::rpc::Client| {
        let types = ["brand".to_owned()];
        let found = client.interests("alice", &Moment::default(), &types, 100).unwrap();
        found.into_iter().map(|found| (found.entity, found.support)).collect::<Vec<_>>()
    };
    let apart = brands(&client);
    assert!(apart.len() > 1, "{apart:?}");
    let (into, entity) = (&apart[0].0, &apart[1].0);
    client.merge(entity, into, "ann", "a test").unwrap();
    let united = brands(&client);
    assert_eq!(united.len(), apart.len() - 1);
    assert_eq!(client.explain("alice", entity, &Moment::default()).unwrap().interest.entity, *into);
    let params = DuplicateParams { types: vec!["brand".to_owned()], k: 10 };
    let merged = client.duplicates(&params).unwrap().merged;
    assert_eq!((merged[0].by.as_str(), merged[0].reason.as_str()), ("ann", "a test"));
    assert_eq!((&merged[0].entity.name, &merged[0].into.name), (entity, into));
    assert_eq!(client.unmerge(entity).unwrap(), merged[0]);
    assert_eq!(brands(&client), apart);
    assert_eq!(client.stats().unwrap().0.content_hash, before);
}

#[test]
fn what_cannot_be_merged_is_refused_by_reason() {
    let server = Server::tiny();
    let merge = |entity: &str, into: &str| {
        let (entity, into) = (entity.to_owned(), into.to_owned());
        MergeEntitiesRequest { entity, into, ..MergeEntitiesRequest::default() }
    };
    for (request, code, why) in [
        (merge("brand:sony", "brand:sony"), Code::InvalidArgument, "MERGE_INTO_ITSELF"),
        (merge("brand:sony", "use:travel"), Code::InvalidArgument, "MERGE_OF_TYPES"),
        (merge("brand:sony", "brand:nobody"), Code::NotFound, "UNKNOWN_NODE"),
        (merge("", "brand:sony"), Code::InvalidArgument, "MISSING_FIELD"),
    ] {
        let status = server.refused(server.ingest().merge_entities(request));
        assert_eq!((status.code(), reason(&status).as_str()), (code, why), "{status:?}");
    }
    let long = MergeEntitiesRequest { by: "x".repeat(600), ..merge("brand:sony", "brand:bose") };
    assert_eq!(field(&server.refused(server.ingest().merge_entities(long))), "by");
    let lift = UnmergeEntitiesRequest { entity: "brand:sony".to_owned() };
    assert_eq!(reason(&server.refused(server.ingest().unmerge_entities(lift))), "NOT_MERGED");
    server.ok(server.ingest().merge_entities(merge("brand:bose", "brand:sony")));
    for (request, code, why) in [
        (merge("brand:bose", "brand:salomon"), Code::AlreadyExists, "MERGED_ALREADY"),
        (merge("brand:salomon", "brand:bose"), Code::FailedPrecondition, "MERGE_CHAIN"),
        (merge("brand:sony", "brand:salomon"), Code::FailedPrecondition, "MERGE_CHAIN"),
    ] {
        let status = server.refused(server.ingest().merge_entities(request));
        assert_eq!((status.code(), reason(&status).as_str()), (code, why), "{status:?}");
    }
    let pairs = FindDuplicatesRequest { page_size: -1, ..FindDuplicatesRequest::default() };
    assert_eq!(field(&server.refused(server.graph().find_duplicates(pairs))), "page_size");
    let pairs = FindDuplicatesRequest { entity_types: vec![String::new()], page_size: 0 };
    let status = server.refused(server.graph().find_duplicates(pairs));
    assert_eq!(field(&status), "entity_types[0]");
}

#[test]
fn an_entity_is_written_with_its_aliases_and_without_other_attributes() {
    let server = Server::tiny();
    let document = |id: &str, attribute: &str| {
        let value = predilect::rpc::proto::attribute_value::Value::Text("索尼".to_owned());
        let values = vec![predilect::rpc::proto::AttributeValue { value: Some(value) }];
        let values = predilect::rpc::proto::AttributeValues { values };
        Document {
            node: Some(node(NodeKind::Entity, id)),
            attributes: [(attribute.to_owned(), values)].into(),
            ..Document::default()
        }
    };
    let documents = vec![
        document("brand:sony", "aliases"),
        document("brand:sony", "color"),
        document("sony", "aliases"),
    ];
    let answer = server.ok(server.ingest().upsert_nodes(UpsertNodesRequest { documents }));
    let mut fields = Vec::new();
    for result in answer.results {
        fields.push(match result.result.unwrap() {
            upsert_node_result::Result::Ok(_) => String::new(),
            upsert_node_result::Result::Error(error) => error.field,
        });
    }
    assert_eq!(fields, ["", "attributes.color", "node.id"]);
}
